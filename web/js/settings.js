/** The pack's section in the settings: what new nodes start with. Saved nodes keep their own. */

/** @typedef {Comfy.Node} Node */

const OWN = "own default"; // the node's; an empty value would show as an empty field
const KINDS = [
  "ComfyUI CLIP",
  "model folder",
  "server",
  "embedded",
  "two scorers",
  "picture encoder + head",
];

/** @type {Record<string, {node: RegExp, widget: string}>} */
const DEFAULT_OF = {
  "EmoFeedback.Defaults.Scorer": { node: /^EmoFB_LoadEmotionScorer$/, widget: "kind" },
  "EmoFeedback.Defaults.ChartTheme": { node: /^EmoFB_/, widget: "theme" },
};

/**
 * The node's own default, or one of its values. The page looks the texts up in the locale files,
 * where it cannot find names with spaces.
 * @param {string[]} values
 */
function choices(values) {
  const named = values.map((value) => ({ text: value.replaceAll(" ", "_"), value }));
  return [{ text: OWN.replaceAll(" ", "_"), value: OWN }, ...named];
}

/** @type {Comfy.Setting[]} */
export const SETTINGS = [
  {
    id: "EmoFeedback.Defaults.Scorer",
    category: ["EmoFeedback", "New_nodes", "Scorer"],
    name: "Default scorer",
    tooltip: "The kind of model that a new loader of scorers starts with.",
    type: "combo",
    options: choices(KINDS),
    defaultValue: OWN,
  },
  {
    id: "EmoFeedback.Defaults.ChartTheme",
    category: ["EmoFeedback", "New_nodes", "Chart_theme"],
    name: "Chart theme",
    tooltip: "The colours that new nodes draw charts in.",
    type: "combo",
    options: choices(["light", "dark", "auto"]),
    defaultValue: OWN,
  },
];

/**
 * Has the chart theme "auto" submitted as the page's own, which the server cannot see; the saved
 * workflow keeps "auto".
 * @param {Node} node
 */
export function followPage(node) {
  const theme = node.widgets?.find(({ name }) => name === "theme");
  if (!theme) return;
  theme.serializeValue = () => {
    if (theme.value !== "auto") return theme.value;
    const { classList, style } = document.documentElement; // pages from 1.58 on have the latter
    return classList.contains("dark-theme") || style.colorScheme === "dark" ? "dark" : "light";
  };
}

/**
 * Gives a node that was just made the artist's defaults; one that is loaded gets its own values
 * after this.
 * @param {Node} node
 * @param {(id: string) => unknown} setting
 */
export function applyDefaults(node, setting) {
  for (const [id, place] of Object.entries(DEFAULT_OF)) {
    const value = setting(id);
    if (!place.node.test(node.comfyClass ?? "")) continue;
    const widget = node.widgets?.find(({ name }) => name === place.widget);
    const known = widget?.options?.values;
    if (!widget || !Array.isArray(known) || !known.includes(value)) continue;
    widget.value = value;
    widget.callback?.(value);
  }
}
