/* The copy of zod that the packages share, without the languages of its messages: docs/dependencies.md. */

export * from "zod";

/** Not in this copy, whose messages are in English. */
export const locales = undefined;
