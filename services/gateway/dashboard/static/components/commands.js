// Sends a command, and watches the lead's timeline until it shows the outcome.
import { get, send, sentence, statusOf } from "../core/api.js";

/** @typedef {{state: "done" | "rejected" | "unknown", text: string}} Outcome */

const EVERY_MS = 1500;
const PATIENCE_MS = 20_000;

/**
 * Returns the event's id once the gateway has accepted the command. Raises `Problem`.
 *
 * @param {Command} command
 * @param {string} id
 */
export async function take({ method, path, body }, id) {
  const { eventId } = await send(method, path, body, id);
  return eventId;
}

/**
 * Returns the outcome: {state: "done" | "rejected" | "unknown", text}. Looks at each change, and every 1.5 s.
 *
 * @param {string} leadId
 * @param {Action} command
 * @param {string} eventId
 * @param {import("../core/live.js").Live} live
 */
export async function outcome(leadId, command, eventId, live) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const found = await look(leadId, command, eventId);
    if (found) return found;
    await pause(live);
  }
  return { state: "unknown", text: "Accepted, but not handled yet. The workers handle it as soon as they can." };
}

/**
 * @param {string} leadId
 * @param {Action} command
 * @param {string} eventId
 * @returns {Promise<Outcome | null>}
 */
async function look(leadId, command, eventId) {
  try {
    const { events } = await get(`/v1/leads/${encodeURIComponent(leadId)}/timeline?limit=50`);
    return verdict(events, command, eventId);
  } catch (error) {
    if (statusOf(error) === 404 && command.erases) return { state: "done", text: "The lead’s personal data is erased." };
    return statusOf(error) === 404 || statusOf(error) === 403 ? { state: "unknown", text: sentence(error) } : null;
  }
}

/**
 * @param {TimelineEvent[]} events
 * @param {Action} command
 * @param {string} eventId
 * @returns {Outcome | null}
 */
export function verdict(events, command, eventId) {
  const effects = events.filter((one) => one.causationId === eventId);
  const refused = effects.find((one) => one.topic === "leads.rejected");
  if (refused) return { state: "rejected", text: typeof refused.details.detail === "string" ? refused.details.detail : refused.text };
  const effect = effects.find((one) => !command.outcomes || command.outcomes.includes(one.topic)) ?? effects[0];
  const itself = command.records && events.find((one) => one.eventId === eventId);
  const found = effect ?? itself;
  return found ? { state: "done", text: found.text } : null;
}

/**
 * @param {import("../core/live.js").Live} live
 * @returns {Promise<void>}
 */
function pause(live) {
  return new Promise((done) => {
    const stop = live.listen(end);
    const timer = setTimeout(end, EVERY_MS);
    function end() {
      stop();
      clearTimeout(timer);
      done();
    }
  });
}
