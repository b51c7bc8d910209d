/** What stock k6 has without an import, and @types/k6 does not declare without the DOM. */
declare const console: { error: (message: string) => void };

/** What k6's SQL extension offers; it brings no types of its own to npm. */
declare module 'k6/x/sql' {
  export type Driver = { readonly driver: unique symbol };
  export type Row = Record<string, string | number | boolean | null | undefined>;
  export type Database = {
    query: (query: string, ...values: (string | number)[]) => Row[];
    exec: (query: string, ...values: (string | number)[]) => { rowsAffected: () => number };
    close: () => void;
  };
  const sql: {
    /** Connects with the first query. Every error is thrown. */
    open: (
      driver: Driver,
      dataSource: string,
      options?: { max_open_conns?: number; max_idle_conns?: number; conn_max_lifetime?: string },
    ) => Database;
  };
  export default sql;
}

declare module 'k6/x/sql/driver/mysql' {
  import type { Driver } from 'k6/x/sql';

  const driver: Driver;
  export default driver;
}
