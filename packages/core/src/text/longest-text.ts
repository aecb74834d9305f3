import { constants } from "node:buffer";

/** The longest string that Node makes, in UTF-16 code units: no more bytes of UTF-8 are decoded at once. */
export const LONGEST_TEXT = constants.MAX_STRING_LENGTH;

/** The most bytes that are collected into one Buffer: the longest that Node 20 makes, on newer releases as well. */
export const LONGEST_BUFFER = Math.min(constants.MAX_LENGTH, 2 ** 32);
