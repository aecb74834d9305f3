/** One file of a container's cgroup of a controller, and what is written to it. */
export interface LimitFile {
  readonly controller: string;
  readonly version: 1 | 2;
  readonly file: string;
  /** What makes the limit. */
  readonly value: string | number;
  /** What takes it away. */
  readonly none: string | number;
}
