const words: Record<string, string> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'a folder',
  ENOTDIR: 'a part of the path is no folder',
  EROFS: 'read-only',
  ENOSPC: 'no space left',
  ENAMETOOLONG: 'the name is too long',
  EEXIST: 'there is a file of that name',
};

/** What the system said of a file, as its code and in words where it has some: `ENOENT: no such file`. */
export function fileProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return message;
  return code in words ? `${code}: ${words[code]}` : code;
}
