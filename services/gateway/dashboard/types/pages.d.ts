// Types that the scripts share. What the gateway answers is generated: api.d.ts.
type Schemas = import("./api").components["schemas"];
type Answers = Schemas["Answers"];
/** The answer to GET of an address, which may have a query. */
type Answer<Address extends string> =
  Address extends `/v1/leads/${string}/score` ? Answers["/v1/leads/{lead_id}/score"]
  : Address extends `/v1/leads/${string}/nurture` ? Answers["/v1/leads/{lead_id}/nurture"]
  : Address extends `/v1/leads/${string}/consent` ? Answers["/v1/leads/{lead_id}/consent"]
  : Address extends `/v1/leads/${string}/prediction` ? Answers["/v1/leads/{lead_id}/prediction"]
  : Address extends `/v1/leads/${string}/timeline?${string}` ? Answers["/v1/leads/{lead_id}/timeline"]
  : Address extends `/v1/leads/${string}` ? Answers["/v1/leads/{lead_id}"]
  : Address extends `/v1/analytics/leads?${string}` ? Answers["/v1/analytics/leads"]
  : Address extends `/v1/analytics/conversions?${string}` ? Answers["/v1/analytics/conversions"]
  : Address extends `/v1/leads${string}` ? Answers["/v1/leads"]
  : Address extends `/v1/tasks${string}` ? Answers["/v1/tasks"]
  : Address extends `/v1/events/${string}` ? Schemas["EventOutcome"]
  : Address extends keyof Answers ? Answers[Address]
  : Address extends `/v1/deadletters${string}` ? Answers["/v1/deadletters"]
  : unknown;

type Me = Answers["/v1/me"];
type Scope = Me["scopes"][number];
type Lead = Schemas["Lead"];
type WholeLead = Schemas["LeadWithActivities"];
type DeadLetter = Schemas["DeadLetterView"];
type Task = Schemas["OpenTask"];
type TimelineEvent = Schemas["TimelineEvent"];
/** The newest BANT of a lead, as it was sent. */
interface Bant {
  budget?: { timeframe?: string };
  authority?: { approvalProcess?: string };
  need?: { requirements?: string[] };
  timeline?: { urgency?: Schemas["Urgency"]; factors?: string[] };
}

type Timeframe = Schemas["LeadAnalytics"]["timeframe"];
type Status = Schemas["Status"];

type Child = Node | string | null | undefined | false | Child[];
type Listeners = { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };
type Attributes = { on?: Listeners; style?: Record<string, string>; [name: string]: unknown };
/** A value of a query; an empty one is left out. */
type QueryValues = Record<string, string | number | null | undefined>;

/** What a page gets when it is mounted. It returns how to leave it. */
interface Here {
  page: string;
  id: string | null;
  query: URLSearchParams;
  me: Me;
  live: import("../static/core/live").Live;
  root: HTMLElement;
  title: (text: string) => void;
}

/** The values of a dialog's form by field name. `any`: a check box has a boolean, every other field a text. */
type FormValues = Record<string, any>;

interface FieldSpec {
  name: string;
  label: string;
  type?: "text" | "select" | "checkbox" | "textarea" | "number" | "date" | "datetime-local";
  required?: boolean;
  hint?: string;
  options?: (readonly [value: string, text: string])[];
  value?: string | number;
  list?: string[];
  checked?: boolean;
  half?: boolean;
  rows?: number;
  min?: number;
  max?: number;
  step?: string;
  when?: (values: FormValues) => boolean;
  /** What is wrong with a value, or null. */
  validate?: (value: string) => string | null;
}

interface Question {
  title: string;
  text?: string;
  fields?: FieldSpec[];
  /** The label of the button. */
  action: string;
  danger?: boolean;
  /** A sentence about the values, shown while they change. */
  changed?: ((values: FormValues) => string | false) | null;
  /** Why the values as a whole can't be sent, or null. */
  refuse?: (values: FormValues) => string | null;
}

interface Command {
  method: string;
  path: string;
  body?: object;
}

interface Action {
  name: string;
  label: string;
  scope: Scope;
  /** The statuses in which this is the main button. */
  main?: Status[];
  when: (lead: WholeLead) => boolean;
  /** The topics that say that it is done. */
  outcomes?: string[];
  /** The event itself is the outcome. */
  records?: boolean;
  danger?: boolean;
  erases?: boolean;
  logged?: (values: FormValues) => string;
  form: (lead: WholeLead, owners: string[]) => Question;
  command: (lead: WholeLead, values: FormValues) => Command;
}

type Theme = "system" | "light" | "dark";

/** The part of Apache ECharts that the pages use. */
interface Chart {
  setOption(option: object, how?: object): void;
  resize(how?: object): void;
  getWidth(): number;
  getHeight(): number;
  getZr(): { flush(): void };
  dispose(): void;
}

interface Charts {
  init(place: HTMLElement, theme: null, how: object): Chart;
}

interface Window {
  pantryTheme: { current: () => Theme; choose: (theme: Theme) => void };
  echarts: Charts;
}

type Colours = Record<string, string>;

/** What a chart shows, in words, as a table and as a drawing. */
interface Figure {
  summary: string;
  head: string[];
  rows: string[][];
  /** The options of Apache ECharts for these colours and this width. */
  option: (colours: Colours, width: number) => { tooltip?: object; [name: string]: unknown };
  note?: string | null;
  legend?: [kind: string, text: string][];
  /** No chart: the summary says why. */
  nothing?: boolean;
  /** How many horizontal bars there are. */
  lines?: number;
}
