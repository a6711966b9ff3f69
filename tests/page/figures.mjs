// The choices and the drawings of the figures of an open page.

/** The choices, points and texts of a figure. `compared` names its rows, or its series if it has no rows. */
export function drawn(page, figure) {
  return page.evaluate((name) => {
    const root = document.querySelector(`figure[data-chart="${name}"]`);
    const option = echarts.getInstanceByDom(root.querySelector("[role=img]")).getOption();
    const texts = (selector) => [...root.querySelectorAll(selector)].map((element) => element.textContent);
    const isPoint = (item) => {
      const value = item?.value ?? item;
      return Array.isArray(value) ? value.every(Number.isFinite) : Number.isFinite(value);
    };
    // Ranges, rounds and labels only accompany other series.
    const own = option.series.filter(({ id }) => !id?.startsWith("beside "));
    const series = own.map(({ name: seriesName, data }) => [seriesName, data.filter(isPoint).length]);
    const { type, data: rows } = option.yAxis[0];
    const points = Object.fromEntries(series.filter(([, count]) => count > 0));
    return {
      chosen: Object.fromEntries([...root.querySelectorAll("select")].map((select) => [select.name, select.value])),
      series: points,
      compared:
        type === "category"
          ? rows.filter((_, at) => own.some(({ data }) => isPoint(data[at])))
          : Object.keys(points),
      written: [...texts(".keys .key"), ...texts(".chart svg text")],
      numbers: texts("details th"),
      ranges: option.series.filter(({ id, data }) => /^beside (range|rounds) /.test(id) && data.some(isPoint)).length,
      marks: root.querySelectorAll(".chart svg path").length,
    };
  }, figure);
}

/** The select element of a figure by the name of its dimension. */
export const selectOf = (page, figure, name) => page.locator(`figure[data-chart="${figure}"] select[name="${name}"]`);

/** Chooses `wanted` (dimension: value as text) where it can be chosen; earlier choices decide what later ones offer. */
export async function choose(page, figure, wanted) {
  for (const name of Object.keys((await drawn(page, figure)).chosen)) {
    const select = selectOf(page, figure, name);
    if (wanted[name] == null || !(await select.isVisible())) continue;
    const offered = await select.locator("option").evaluateAll((options) => options.map((option) => option.value));
    if (offered.includes(wanted[name])) await select.selectOption(wanted[name]);
  }
}
