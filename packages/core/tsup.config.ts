import { library, zodInEnglish } from "../../tsup.shared.ts";

export default library(
  {
    index: "src/index.ts",
    "driver/index": "src/driver/index.ts",
    "files/index": "src/files/index.ts",
    "testing/index": "src/testing/index.ts",
  },
  zodInEnglish,
);
