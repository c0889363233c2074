/** What `form_script` in services/gateway/forms/pages.py puts into the form's script. */
interface FormSettings {
  action: string;
  key: string;
  redirect: string | null;
  name: string;
  sites: string[] | null;
  labels: Record<string, string>;
  advice: Record<string, string | null>;
  css: string;
  form: string;
  thanks: string;
}

declare const SETTINGS: FormSettings;

interface Window {
  /** Browsers that demand Trusted Types have this. */
  trustedTypes?: {
    createPolicy(name: string, rules: { createHTML: (html: string) => string }): { createHTML(html: string): string };
  };
}
