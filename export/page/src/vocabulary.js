// Words: which values of which attributes a phrase names, how symbols are composed, and how they are said.

// `fillers` say nothing and are passed over: "Red hat on a white wall".
export function makeVocabulary(attributes, operators, fillers = []) {
  const place = new Map(attributes.map((attribute, k) => [attribute.name, k]));
  let start = 0;
  const starts = attributes.map(({ values }) => (start += values.length) - values.length);
  // Underscores and the hyphens inside words are blanks; a minus stays.
  const words = (text) =>
    text.toLowerCase().replace(/_/g, " ").replace(/(?<=[\p{L}\p{N}])-(?=[\p{L}\p{N}])/gu, " ").split(/\s+/).filter(Boolean);

  // What a run of words says: {attribute: value}, or nothing. `turned` has the noun first: "wall is white".
  const readings = new Map();
  const turned = new Map();
  const open = new Map();
  function keep(map, text, symbol) {
    const key = words(text).join(" ");
    const known = map.get(key) ?? [];
    // Said twice alike it is one meaning: a number is called by its attribute and nothing else.
    if (!known.some((one) => JSON.stringify(one) === JSON.stringify(symbol))) map.set(key, [...known, symbol]);
  }
  for (const { name, values, noun, phrases } of attributes) {
    values.forEach((value, k) => {
      keep(readings, `${name}=${value}`, { [name]: value });
      keep(readings, phrases[k], { [name]: value });
      if (!noun) {
        if (value !== phrases[k] && !["yes", "no"].includes(value)) keep(readings, value, { [name]: value });
        return;
      }
      keep(turned, `${noun} ${value}`, { [name]: value });
      keep(open, value, phrases[k]);
      // "red hat": the color of the thing and the thing.
      if (place.has(noun)) {
        for (const thing of attributes[place.get(noun)].values) {
          keep(readings, `${value} ${thing}`, { [name]: value, [noun]: thing });
          keep(turned, `${thing} ${value}`, { [name]: value, [noun]: thing });
        }
      }
    });
  }
  const passedOver = new Set(fillers);

  // The longest run of known words is taken first.
  function cut(left, maps, symbol, text) {
    while (left.length) {
      let size = Math.min(left.length, 6);
      const found = () => maps.map((map) => map.get(left.slice(0, size).join(" "))).find(Boolean);
      while (size && !found()) size -= 1;
      if (!size) {
        if (!passedOver.has(left[0])) return left;
        left = left.slice(1);
        continue;
      }
      const meant = found();
      if (meant.length > 1) throw new Error(`"${text.trim()}" may mean ${meant.map(phrase).join(" or ")}`);
      left = left.slice(size);
      for (const [name, value] of Object.entries(meant[0])) {
        if (name in symbol && symbol[name] !== value) throw new Error(`${name} is both ${symbol[name]} and ${value}`);
        symbol[name] = value;
      }
    }
    return left;
  }

  function term(text, symbol) {
    const said = words(text).map((word) => word.replace(/[.!?;:]+$/, "") || word);
    const content = said.filter((word) => !passedOver.has(word));
    if (!content.length) throw new Error("Nothing is named");
    let found = {};
    const stuck = cut(said, [readings], found, text);
    if (stuck.length) {
      found = {};
      if (cut(content, [readings, turned], found, text).length) {
        const noun = open.get(stuck[0]);
        throw new Error(noun ? `"${stuck[0]}" may be ${noun.join(" or ")}` : `"${stuck[0]}" is not known`);
      }
    }
    for (const [name, value] of Object.entries(found)) {
      if (name in symbol && symbol[name] !== value) throw new Error(`${name} is both ${symbol[name]} and ${value}`);
      symbol[name] = value;
    }
  }

  // "white wall, red hat" as {attribute: value}; "anything", as `phrase` has it, names nothing.
  function parse(text) {
    const symbol = {};
    if (words(text).join(" ") === "anything" && !readings.has("anything")) return symbol;
    // A comma within quotes is part of a name: color="pale, yellow".
    const hidden = text.normalize("NFC").replace(/="[^"]*"/g, (quoted) => quoted.replace(/,/g, "\0"));
    for (const part of hidden.split(",")) term(part.replace(/\0/g, ","), symbol);
    return symbol;
  }

  // "(white wall AND red hat) IGNORE hat" as {symbol}, or {first, operator, second} of the same; from left to right.
  function parseExpression(text) {
    if (!operators.length) return { symbol: parse(text) };
    const known = operators.map((name) => name.replace(/ /g, "\\s+")).join("|");
    const tokens = text.split(new RegExp(`([()]|(?<![^\\s()])(?:${known})(?![^\\s()]))`)).map((part) => part.trim());
    const opened = [];
    let [left, operator] = [null, ""];
    for (const token of tokens.filter(Boolean)) {
      const between = token.replace(/\s+/g, " ");
      let value;
      if (operators.includes(between)) {
        if (!left || operator) throw new Error(`${between} has nothing before it`);
        operator = between;
        continue;
      }
      if (token === ")") {
        if (!opened.length) throw new Error("A bracket closes none");
        if (!left || operator) throw new Error(operator ? `${operator} has nothing behind it` : "Nothing is between the brackets");
        value = left;
        [left, operator] = opened.pop();
      } else if (left && !operator) {
        throw new Error(`One of ${operators.join(", ")} is missing before "${token}"`);
      } else if (token === "(") {
        opened.push([left, operator]);
        [left, operator] = [null, ""];
        continue;
      } else value = { symbol: parse(token) };
      left = left ? { first: left, operator, second: value } : value;
      operator = "";
    }
    if (operator) throw new Error(`${operator} has nothing behind it`);
    if (opened.length) throw new Error("A bracket is not closed");
    if (!left) throw new Error("Nothing is named");
    return left;
  }

  // What `parseExpression` reads as this expression.
  function textOf(expression) {
    if (expression.symbol) return phrase(expression.symbol);
    const second = textOf(expression.second);
    return `${textOf(expression.first)} ${expression.operator} ${expression.second.symbol ? second : `(${second})`}`;
  }

  function phrase(symbol) {
    const left = { ...symbol };
    const said = [];
    for (const { name, values, noun, phrases } of attributes) {
      if (!(name in left)) continue;
      const value = left[name];
      delete left[name];
      if (noun && noun in left) {
        said.push(`${value} ${left[noun]}`);
        delete left[noun];
      } else said.push(phrases[values.indexOf(value)]);
    }
    return said.join(", ") || "anything";
  }

  function encode(symbol) {
    const khot = new Float32Array(start);
    for (const [name, value] of Object.entries(symbol)) {
      const k = place.get(name);
      khot[starts[k] + attributes[k].values.indexOf(value)] = 1;
    }
    return khot;
  }

  return { attributes, starts, size: start, parse, parseExpression, textOf, phrase, encode };
}
