import { copyFile, mkdir } from "node:fs/promises";
import { defineConfig, type Options } from "tsup";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

/** How a package is built. `entry` has the sources of its entry points, by the path of each in `dist`. */
export function library(entry: Record<string, string>, zod: Plugin = zodOfCore) {
  return defineConfig({
    entry,
    format: "esm",
    target: "node20",
    platform: "node",
    dts: false,
    sourcemap: true,
    // The package has the sources themselves.
    esbuildOptions: (options) => {
      options.sourcesContent = false;
    },
    // It goes with the declarations: `tsc -b` would otherwise take those for up to date.
    clean: [".tsbuildinfo"],
    splitting: true,
    noExternal: ["zod"],
    esbuildPlugins: [zod],
  });
}

/** All packages share the copy of zod in `@pileus/core`. See docs/dependencies.md. */
const zodOfCore: Plugin = {
  name: "zod of core",
  setup: (build) => {
    build.onResolve({ filter: /^zod$/ }, () => ({ path: "@pileus/core/driver", external: true }));
  },
};

/** A copy of zod, with its licence and without the 64 languages of its messages: English is elsewhere. */
export const zodInEnglish: Plugin = {
  name: "zod in English",
  setup: (build) => {
    build.onResolve({ filter: /\/locales\/index\.js$/ }, () => ({ path: "locales", namespace: "empty" }));
    build.onLoad({ filter: /^/, namespace: "empty" }, () => ({ contents: "export {};" }));
    // tsup writes the files later.
    build.onEnd(async () => {
      await mkdir("dist", { recursive: true });
      await copyFile("node_modules/zod/LICENSE", "dist/zod.notice.txt");
    });
  },
};
