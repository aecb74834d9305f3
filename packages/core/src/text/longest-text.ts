import { constants } from "node:buffer";

/** The longest string that Node makes, in UTF-16 code units: no more bytes of UTF-8 are decoded at once. */
export const LONGEST_TEXT = constants.MAX_STRING_LENGTH;
