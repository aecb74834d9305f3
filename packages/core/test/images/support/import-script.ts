import { writeSync } from "node:fs";
import { openImageStore } from "../../../src/images/store.ts";

const [folder = "", source = "", hangAt = ""] = process.argv.slice(2);
const store = await openImageStore({ folder });
let worked = false;
const image = await store.import(source, {
  onProgress: ({ done }) => {
    worked = true;
    if (hangAt === "" || done < Number(hangAt)) return;
    writeSync(1, "hanging\n");
    // Stops this thread for good: what was started goes on, as when a process is killed.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});
writeSync(1, `${JSON.stringify({ fingerprint: image.fingerprint, worked })}\n`);
