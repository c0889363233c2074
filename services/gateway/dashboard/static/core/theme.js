// Runs before the first paint, so that the page never flashes in the other theme.
(() => {
  const KEY = "pantry-theme";
  const root = document.documentElement;

  /** @returns {Theme} */
  function stored() {
    try {
      const value = localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : "system";
    } catch {
      return "system"; // a browser may forbid storage; the page works without it
    }
  }

  /** @param {Theme} theme */
  function choose(theme) {
    root.dataset.theme = theme;
    try {
      if (theme === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // The choice then lasts until the page is closed.
    }
    window.dispatchEvent(new Event("themechange"));
  }

  root.dataset.theme = stored();
  window.pantryTheme = { current: () => /** @type {Theme} */ (root.dataset.theme), choose };
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => window.dispatchEvent(new Event("themechange")));
  }
})();
