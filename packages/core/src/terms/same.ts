// Each schema for input has an interface with a comment for each key, because the compiler writes no comments of a
// schema into the published declarations. These types check that the two are equal.

/** Whether two types are identical to the compiler, optional keys and `readonly` included. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`. */
export type Holds<T extends true> = T;

/** `readonly` at every depth: a schema never changes its input, and its output is shared. */
export type Frozen<T> = { readonly [K in keyof T]: Frozen<T[K]> };
