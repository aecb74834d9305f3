// An interface with a comment for each key stands beside the schema that callers' input goes through: the compiler
// writes no comment of a schema into the published declarations. These types hold the two equal.

/** Whether the compiler takes one type for the other, optional keys and `readonly` included. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`. */
export type Holds<T extends true> = T;

/** `readonly` at every depth: a schema never changes what it reads, and what it gives is shared. */
export type Frozen<T> = { readonly [K in keyof T]: Frozen<T[K]> };
