/** The usual servers on the loader of scorers: a choice fills the URL and lists the models there. */

import { after } from "./callbacks.js";
import { html } from "./element.js";
import { setWidget } from "./graph.js";
import { mark } from "./mounts.js";

/** @typedef {Comfy.Node} Node */

const SERVERS = "/emofeedback/servers";
const MODELS = "/emofeedback/models";
const SERVER = "server";
const HEIGHT = 92;
const OTHER = "OpenAI-compatible";

/**
 * Puts the choice below the widgets of a loader, to be seen while its kind is a server.
 * @param {Node} node
 * @param {Comfy.Api} api
 */
export function addServers(node, api) {
  const servers = html("select", { "aria-label": "Server" });
  const models = html("select", { "aria-label": "Models of the server" });
  const ask = html("button", { type: "button", title: "Ask the server for its models." }, "List");
  const told = html("div", { class: "emofb-note", role: "status" });
  const element = html(
    "div",
    { class: "emofb-servers", role: "group", "aria-label": "Server and model" },
    html("div", {}, servers, models, ask),
    told,
  );
  /** @type {Record<string, string>} */
  let usual = {}; // name -> URL
  let asked = 0;

  /** @param {string} name */
  const named = (name) => node.widgets?.find((each) => each.name === `kind.${name}`);

  /**
   * @param {string} name
   * @param {string} value
   */
  function set(name, value) {
    const widget = named(name);
    if (!widget) return;
    setWidget(widget, value);
    node.setDirtyCanvas?.(true, true);
  }

  async function list() {
    const number = ++asked;
    told.textContent = "Asking ...";
    const answer = await api
      .fetchApi(MODELS, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ url: String(named("url")?.value ?? "") }),
      })
      .catch(() => null);
    const found = await answer?.json().catch(() => null);
    if (number !== asked) return; // another server was chosen meanwhile
    told.textContent = found?.problem ?? found?.error ?? (found ? "" : "ComfyUI does not answer.");
    offer(found?.models ?? []);
  }

  /** @param {string[]} names */
  function offer(names) {
    const now = String(named("model_name")?.value ?? "");
    const first = html("option", { value: "" }, names.length ? "choose ..." : "no models known");
    models.replaceChildren(first, ...names.map((name) => html("option", { value: name }, name)));
    models.disabled = !names.length;
    models.value = names.includes(now) ? now : "";
    if (names.length === 1 && !now) set("model_name", (models.value = names[0]));
  }

  function refresh() {
    element.hidden = node.widgets?.find(({ name }) => name === "kind")?.value !== SERVER;
    const url = String(named("url")?.value ?? "");
    servers.value = Object.keys(usual).find((name) => usual[name] === url) ?? OTHER;
  }

  async function learn() {
    const answer = await api.fetchApi(SERVERS).catch(() => null);
    usual = answer?.ok ? await answer.json().catch(() => ({})) : {};
    const names = [...Object.keys(usual), OTHER];
    servers.replaceChildren(...names.map((name) => html("option", { value: name }, name)));
    refresh();
  }

  servers.addEventListener("change", () => {
    const url = usual[servers.value];
    if (url) set("url", url);
    list();
  });
  models.addEventListener("change", () => models.value && set("model_name", models.value));
  ask.addEventListener("click", list);
  for (const kind of ["pointerdown", "keydown", "wheel"])
    element.addEventListener(kind, (event) => event.stopPropagation());
  mark(element);
  const widget = node.addDOMWidget("servers", "emofb_servers", element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => (element.hidden ? 0 : HEIGHT),
    onDraw: refresh,
  });
  widget.serialize = false;
  after(node, "onConfigure", refresh);
  offer([]);
  refresh();
  learn();
}
