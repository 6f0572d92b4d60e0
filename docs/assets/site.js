// Complete the elements that the theme adds when a page loads, for the keyboard and for screen readers.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");

// The keyboard reaches a table or picture if it is wider than the page, and can scroll it.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) {
      target.tabIndex = 0;
    } else {
      target.removeAttribute("tabindex");
    }
  }
});

function label(kind, selector) {
  for (const scrolling of document.querySelectorAll(`${selector}:not([role])`)) {
    scrolling.setAttribute("role", "group");
    scrolling.setAttribute("aria-label", kind);
    widths.observe(scrolling);
  }
}

function complete() {
  // The buttons of a block of code are no navigation.
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])")) {
    buttons.setAttribute("role", "presentation");
  }
  label("Table", ".md-typeset__scrollwrap");
  label("Picture", ".md-typeset p:has(> img:only-child)");
}

new MutationObserver(complete).observe(document.body, { childList: true, subtree: true });
complete();
