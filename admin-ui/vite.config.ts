import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig } from "vite";

/** Style sheets of libraries carry fonts and pictures as `data:`, which the console's policy does not load. */
function withoutEmbeddedFiles(): Plugin {
  return {
    name: "without-embedded-files",
    enforce: "pre",
    transform(code, id) {
      if (!/node_modules.*\.css/.test(id) || !code.includes("data:")) return null;
      const plain = code.replaceAll(/@font-face\s*\{[^}]*\}/g, "").replaceAll(/url\(\s*["']?data:[^)]*\)/g, "none");
      return { code: plain, map: null };
    },
  };
}

/** Beside each file of code and style the same packed, as the binary sends it to browsers. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    // Behind everything that still changes a file.
    writeBundle({ dir = "dist" }, bundle) {
      for (const name of Object.keys(bundle).filter((name) => /\.(js|css)$/.test(name))) {
        writeFileSync(join(dir, `${name}.gz`), gzipSync(readFileSync(join(dir, name)), { level: 9 }));
      }
    },
  };
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const node = process.env.ALLOD_NODE ?? "http://allod.localhost:8420";

// The binary serves the console under /admin/, with a policy that allows no inline script or style.
export default defineConfig({
  base: "/admin/",
  plugins: [withoutEmbeddedFiles(), react(), packed()],
  resolve: { alias: { "react-style-singleton": here("src/csp/adoptedStyles.ts") } },
  build: { emptyOutDir: false, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "^/(api|oauth|healthz|readyz|openapi.json|metrics)": { target: node, changeOrigin: true } } },
});
