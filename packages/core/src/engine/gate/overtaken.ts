/**
 * The reason of the signal of a call that a kill or a deletion has overtaken: the call gives up at once, and leaves the
 * instance to the other as it is.
 */
export class Overtaken {}
