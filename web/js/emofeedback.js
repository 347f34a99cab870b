/** What the pack adds to ComfyUI's page: the pad, the panels of loops, its settings. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { html } from "./element.js";
import { LastRound } from "./last_round.js";
import { colourSockets, neededWidth } from "./looks.js";
import { remount } from "./mounts.js";
import { addPad } from "./pad_widget.js";
import { Panels } from "./run_widget.js";
import { addServers } from "./server_widget.js";
import { SETTINGS, applyDefaults, followPage } from "./settings.js";

const PAD_NODE = "EmoFB_EmotionTarget";
const SCORER_NODE = "EmoFB_LoadEmotionScorer";
const LOOP_NODES = ["EmoFB_EndLoop", "EmoFB_EmotionFeedback"];
const LEAST_WIDTH = 210; // a panel needs lines to read
const PANEL_WIDTH = 360;

const panels = new Panels(app, api);

/** An undo step of core's own history, wherever the change came from. */
function markChange() {
  app.canvas.emitBeforeChange();
  app.canvas.emitAfterChange();
}

/**
 * @param {Comfy.Node} node one that was just made; a saved one gets its own size after this
 * @param {number} least
 */
function widen(node, least) {
  if (node.size[0] < least) node.setSize([least, node.size[1]]);
}

/** After the page has drawn the graph that is shown now. */
function remountSoon() {
  requestAnimationFrame(() => requestAnimationFrame(() => remount(app.canvas.graph?.nodes ?? [])));
}

app.registerExtension({
  name: "EmoFeedback",
  settings: SETTINGS,
  setup() {
    const href = new URL("../css/emofeedback.css", import.meta.url).href;
    document.head.append(html("link", { rel: "stylesheet", href }));
    const { canvas } = app;
    const types = canvas.constructor.link_type_colors;
    colourSockets([canvas.default_connection_color_byType, types], document.body.style);
    panels.listen();
    new LastRound(api).listen();
    app.canvas.canvas.addEventListener("litegraph:set-graph", remountSoon);
  },
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("EmoFB_")) return;
    followPage(node);
    applyDefaults(node, (id) => app.extensionManager.setting.get(id));
    if (node.comfyClass === PAD_NODE) {
      const places = node.constructor.nodeData?.input?.required?.preset?.[1]?.emofb_places ?? {};
      addPad(node, places, markChange);
    }
    if (node.comfyClass === SCORER_NODE) addServers(node, api);
    const isLoop = LOOP_NODES.includes(node.comfyClass);
    if (isLoop) panels.add(node);
    widen(node, Math.max(isLoop ? PANEL_WIDTH : LEAST_WIDTH, neededWidth(node)));
  },
  afterConfigureGraph() {
    panels.recallAll();
    remountSoon();
  },
});
