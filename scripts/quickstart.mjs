// One command from a bare checkout: sets the host up, then runs examples/quickstart.
import { installPackages } from "./setup/apt.mjs";
import { cacheFolder } from "./setup/folders.mjs";
import { restoreForwardingAtExit } from "./setup/forwarding.mjs";
import { prepareWorkspace, runSource } from "./setup/workspace.mjs";

const say = (line) => console.log(`[set-up] ${line}`);

say(`downloads and state: ${cacheFolder()}`);
restoreForwardingAtExit();
const missing = await installPackages(say);
await prepareWorkspace(say);
if (missing.length > 0) say(`continuing without ${missing.join(", ")}: steps that need them will say so`);

process.exitCode = (await runSource(["examples/quickstart/main.ts"])) ? 0 : 1;
