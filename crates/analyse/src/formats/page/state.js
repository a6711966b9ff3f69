// The choices of the reader in the address of the page, so that a link shows the same view: "#section?name=value".

const viewState = new URLSearchParams(location.hash.split("?")[1] ?? "");

/** The choice called `name`; null if the reader has not changed it. */
const stateOf = (name) => viewState.get(name);

/** Keeps a choice in the address; null or an empty text removes it. */
function setState(name, value) {
  if (value == null || value === "") viewState.delete(name);
  else viewState.set(name, value);
  writeState();
}

function writeState() {
  const section = location.hash.split("?")[0];
  const state = viewState.toString();
  const address = state === "" ? section || location.href.split("#")[0] : `${section || "#"}?${state}`;
  try {
    history.replaceState(history.state, "", address);
  } catch {
    // A browser that forbids changes of the address, as in some frames, shows the page without links to views.
  }
}

/** Keeps the state in an address without one. A page that gets the address of another view shows it after a reload. */
function followAddress() {
  const state = location.hash.split("?")[1];
  if (state !== undefined && new URLSearchParams(state).toString() !== viewState.toString()) location.reload();
  else if (state === undefined && viewState.size > 0) writeState();
}

/** Links within the page keep the state, and a link with a state leads to its section. */
function followSections() {
  addEventListener("hashchange", followAddress);
  if (viewState.size === 0) return;
  const section = location.hash.slice(1).split("?")[0];
  if (section !== "") document.getElementById(section)?.scrollIntoView();
}
