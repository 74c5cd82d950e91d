/** What we use of fs-native-extensions 1, which brings no types. */
declare module 'fs-native-extensions' {
  /**
   * Takes an exclusive lock of the whole file, held by its open file description (`F_OFD_SETLK`; `flock` on macOS), until
   * that is closed. False while another one has it.
   */
  export function tryLock(fd: number): boolean;
}
