// The order of the results of a search: guides before the entries of the reference, and a page whose title has the
// words before a page that only uses them. Sphinx's own numbers are 11 and 6 for an object, and 15 for a title.
var Scorer = {
  objNameMatch: 4,
  objPartialMatch: 1,
  objPrio: { 0: 4, 1: 1, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([_page, title, anchor, _description, score, _file, kind]) => {
    if (kind === "object" || anchor) return score;
    const query = new URLSearchParams(window.location.search).get("q") ?? "";
    const named = query.toLowerCase().split(/\s+/).every((word) => title.toLowerCase().includes(word.replace(/[sy]$/, "")));
    return named ? score + 30 : score;
  },
};
