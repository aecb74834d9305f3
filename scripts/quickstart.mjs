// One command from a bare checkout: sets the host up, then runs examples/quickstart.
import { installPackages } from "./setup/apt.mjs";
import { cacheFolder } from "./setup/folders.mjs";
import { restoreForwardingAtExit } from "./setup/forwarding.mjs";
import { prepareWorkspace, run } from "./setup/workspace.mjs";

const say = (line) => console.log(`[set-up] ${line}`);

say(`downloads and state: ${cacheFolder()}`);
restoreForwardingAtExit();
const missing = installPackages(say);
prepareWorkspace(say);
if (missing.length > 0) say(`going on without ${missing.join(", ")}: what needs them will say so`);

const ok = run([
  "node_modules/.bin/tsx",
  "--conditions=@pileus/source",
  "examples/quickstart/main.ts",
  ...process.argv.slice(2),
]);
process.exitCode = ok ? 0 : 1;
