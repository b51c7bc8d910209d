/** How a MySQL address is told to a command: whole, and in the parts that most clients want. */
export function mysqlEnv(url: string): Record<string, string> {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    MYSQL_URL: url,
    MYSQL_HOST: hostname,
    MYSQL_PORT: port || '3306',
    MYSQL_USER: decodeURIComponent(username),
    MYSQL_PASSWORD: decodeURIComponent(password),
    MYSQL_DATABASE: decodeURIComponent(pathname.slice(1)),
  };
}
