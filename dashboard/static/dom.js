// Building DOM without markup: text only ever becomes a text node, so text of a brain or a person is never parsed.

import { clock, utc, moment } from "./format.js";

/**
 * Make an element. Properties: `class`, `text`, `on` (listeners), `data` (dataset); `true`/`false` set or leave out a
 * boolean attribute; anything else becomes an attribute. Children are nodes or strings; null and false are skipped.
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "on") for (const [kind, listener] of Object.entries(value)) node.addEventListener(kind, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

/** An SVG element with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child);
  }
}

/** Set text only when it changed: an untouched node keeps the reader's selection and costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set or remove an attribute only when it changed. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value === true ? "" : value)) {
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

/** A moment in local time with UTC on hover; `short` for narrow columns. */
export function timeElement(value, { short = false } = {}) {
  const date = moment(value);
  if (!date) return element("span", { text: clock(value) });
  return element("time", { datetime: date.toISOString(), title: utc(value), text: clock(value, { short }) });
}

/** Element by id; a missing one is a bug of the page. */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no element #${id}`);
  return node;
}

/** Replace the children of a keyed list in place: nodes whose key remains are kept, with their focus. */
export function reconcile(parent, items, key, build, update = null) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = old.get(name);
    if (node) {
      old.delete(name);
      update?.(node, item);
    } else {
      node = build(item);
      node.dataset.key = name;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
}
