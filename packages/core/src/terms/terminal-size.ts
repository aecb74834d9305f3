/** The size of a terminal, in character cells. */
export interface TerminalSize {
  /** Character cells side by side, 1 to 65535. */
  readonly columns: number;
  /** Lines, 1 to 65535. */
  readonly rows: number;
}
