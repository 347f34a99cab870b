import { wordDiff } from "../../web/js/word_diff.js";

/** @param {string} before @param {string} after @param {string} without */
const side = (before, after, without) =>
  wordDiff(before, after)
    .filter(({ kind }) => kind !== without)
    .map(({ text }) => text)
    .join("")
    .replace(/\s/g, "");

const PROMPTS = [
  "",
  "a boat on the sea",
  "a boat on the sea, storm sky, warm light",
  "a boat, storm sky on the sea",
  "sea sea sea boat",
  "  a   boat\non the  sea ",
];

test("what is kept and taken out is the old prompt, what is kept and put in the new one", () => {
  for (const before of PROMPTS)
    for (const after of PROMPTS) {
      expect(side(before, after, "in")).toBe(before.replace(/\s/g, ""));
      expect(side(before, after, "out")).toBe(after.replace(/\s/g, ""));
    }
});

test("an added clause is one piece and the rest is kept", () => {
  expect(wordDiff("a boat on the sea", "a boat on the dark sea, at night")).toEqual([
    { kind: "same", text: "a boat on the" },
    { kind: "in", text: " dark" },
    { kind: "same", text: " sea" },
    { kind: "in", text: ", at night" },
  ]);
});

test("very long prompts are compared whole, without a table of a million cells", () => {
  const long = Array.from({ length: 5000 }, (_, index) => `w${index}`).join(" ");
  expect(wordDiff(long, `${long} end`).map(({ kind }) => kind)).toEqual(["out", "in"]);
});
