import { launchContainer } from "../../src/container.ts";
import { bareContainer } from "./bare-container.ts";

// Starts the container of a folder as far as its root is open, says so, and never goes on.
const [, , folder = ""] = process.argv;
await launchContainer(bareContainer(folder), () => {
  console.log("open");
  return new Promise(() => setInterval(() => undefined, 1000));
});
