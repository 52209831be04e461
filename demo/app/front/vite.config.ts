import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// Nothing inline: the page works under a Content-Security-Policy of `default-src 'self'`.
export default defineConfig({
  plugins: [preact()],
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/graphql": "http://localhost:3000", "/api": "http://localhost:3000" } },
});
