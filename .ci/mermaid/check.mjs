// Parses the mermaid diagrams of Markdown files: node check.mjs FILE...
//
// Parses and does not draw: drawing needs a browser, to measure letters.
import { readFileSync } from "node:fs";
import { Window } from "happy-dom";

// What mermaid looks for while it is loaded.
const window = new Window();
globalThis.window = window;
globalThis.document = window.document;
globalThis.Element = window.Element;
const { default: mermaid } = await import("mermaid");

let diagrams = 0;
for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, "utf8");
  for (const block of text.matchAll(/^([ \t]*)```mermaid\n([\s\S]*?)^\1```/gm)) {
    const line = text.slice(0, block.index).split("\n").length;
    try {
      const { diagramType } = await mermaid.parse(block[2]);
      console.log(`${file}:${line}: ${diagramType}`);
    } catch (error) {
      console.error(`${file}:${line}: ${error.message}`);
      process.exitCode = 1;
    }
    diagrams += 1;
  }
}
console.log(`${diagrams} diagrams`);
