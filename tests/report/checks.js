(() => {
  const faults = [];
  const all = (what) => [...document.querySelectorAll(what)];
  // nothing wider than the screen, save in boxes that scroll
  if (document.documentElement.scrollWidth > innerWidth) {
    faults.push(`the page is ${document.documentElement.scrollWidth} wide on ${innerWidth}`);
  }
  // boxes that scroll can be reached by keyboard
  for (const e of all('main *')) {
    const scrolls = ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth;
    if (scrolls && e.tabIndex < 0) faults.push(`a ${e.tagName} scrolls and is not reached by keyboard`);
  }
  for (const e of all('svg')) {
    if (e.getAttribute('aria-hidden') === 'true') continue;
    const words = (name) => [...e.children].find((c) => c.tagName === name)?.textContent.trim();
    if (!words('title') || !words('desc')) faults.push('a plot without title or description');
    if (e.getBoundingClientRect().width < 100) faults.push('a plot too small to be seen');
  }
  // contrast (WCAG 2) of every text with what lies behind it
  const channels = (c) => c.match(/[\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  let worst = [99, ''];
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (!n.textContent.trim() || ['title', 'desc', 'STYLE', 'SCRIPT'].includes(e.tagName)) continue;
    const style = getComputedStyle(e);
    const svg = e instanceof SVGElement;
    const [a, b] = [light(channels(svg ? style.fill : style.color)), light(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    texts += 1;
    if (contrast < worst[0]) worst = [contrast, n.textContent];
    if (style.userSelect === 'none') faults.push(`${n.textContent} cannot be selected`);
  }
  if (worst[0] < 4.5) faults.push(`contrast ${worst[0].toFixed(2)} of "${worst[1]}"`);
  // text of plots lies within them
  for (const t of all('svg[role=img] text')) {
    const [own, plot] = [t.getBoundingClientRect(), t.ownerSVGElement.getBoundingClientRect()];
    const out = Math.max(plot.left - own.left, own.right - plot.right, plot.top - own.top, own.bottom - plot.bottom);
    if (out > 2.5) faults.push(`"${t.textContent}" is cut by ${out.toFixed(1)} pixels`);
  }
  const text = document.querySelector('svg[role=img] text');
  let selected = '';
  if (text) {
    getSelection().selectAllChildren(text);
    selected = getSelection().toString();
  }
  return {
    faults,
    texts,
    selected,
    wanted: text ? text.textContent : '',
    plots: all('svg[role=img]').length,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: text ? getComputedStyle(text).fill : '',
  };
})()
