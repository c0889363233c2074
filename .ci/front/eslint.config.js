import css from "@eslint/css";
import js from "@eslint/js";
import { defineConfig } from "eslint/config";

export default defineConfig([
  { ignores: ["**/vendor/**", "**/*.d.ts"] },
  {
    files: ["**/*.js"],
    plugins: { js },
    extends: ["js/recommended"],
    rules: {
      eqeqeq: "error",
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-undef": "off", // tsc finds undefined names, and knows a browser's
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["**/*.css"],
    plugins: { css },
    language: "css/css",
    extends: ["css/recommended"],
    rules: {
      "css/no-important": "off", // a form on another site, and paper, must win against other sheets
      "css/no-invalid-properties": ["error", { allowUnknownVariables: true }], // tokens.css has them
      "css/use-baseline": "off", // the sheets name a plain value first where an old browser needs one
    },
  },
  // The linter doesn't know the margins of a printed page, `@bottom-left`.
  { files: ["**/report/templates/print.css"], plugins: { css }, rules: { "css/no-invalid-at-rules": "off" } },
]);
