import { HELPER_BINARIES } from "./exec/helper-binary.ts";
import { INIT_HELPER_BINARIES } from "./init-helper-binary.ts";
import { LAUNCH_HELPER_BINARIES } from "./launch-helper-binary.ts";
import { SealedHelper } from "./sealed-helper.ts";

/** Starts a program inside, and stays its parent: helper/exec-helper.c. */
export const EXEC_HELPER = new SealedHelper("exec", HELPER_BINARIES);
/** Becomes PID 1: helper/init-helper.c. */
export const INIT_HELPER = new SealedHelper("init", INIT_HELPER_BINARIES);
/** Starts the tools of liblxc: helper/launch-helper.c. */
export const LAUNCH_HELPER = new SealedHelper("launch", LAUNCH_HELPER_BINARIES);
