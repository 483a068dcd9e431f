import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The binary serves the console under /admin/, with a policy that allows no inline script or style.
export default defineConfig({
  base: "/admin/",
  plugins: [react()],
  build: { emptyOutDir: false, assetsInlineLimit: 0 },
});
