import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "jsdom", globals: true, include: ["*.test.js"], testTimeout: 120_000 },
  server: { fs: { allow: ["../.."] } },
});
