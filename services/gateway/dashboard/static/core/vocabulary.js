// The words and rules of the server, which it writes into the page.
import { byId } from "./dom.js";

/** @type {Schemas["Vocabulary"]} */
export const vocabulary = JSON.parse(byId("vocabulary").textContent ?? "");
