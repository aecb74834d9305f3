import { SealedHelper } from "@pileus/core/driver";
import { DETACHED_HOLDER_BINARIES } from "./detached-holder-binary.ts";
import { HELPER_BINARIES } from "./exec/helper-binary.ts";
import { INIT_HELPER_BINARIES } from "./init-helper-binary.ts";
import { STARTER_BINARIES } from "./starter-binary.ts";

/** Starts a program inside, and stays its parent: helper/exec-helper.c. */
export const EXEC_HELPER = new SealedHelper("exec", HELPER_BINARIES);
/** Stands for a detached program on the host: helper/detached-holder.c. */
export const DETACHED_HOLDER = new SealedHelper("detached", DETACHED_HOLDER_BINARIES);
/** Becomes PID 1: helper/init-helper.c. */
export const INIT_HELPER = new SealedHelper("init", INIT_HELPER_BINARIES);
/** Starts a container by liblxc, as the holder of its keeper: helper/starter.c. */
export const STARTER = new SealedHelper("start", STARTER_BINARIES);
