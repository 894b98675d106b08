// Words: which values of which attributes a phrase names, and how they are said.

export function makeVocabulary(attributes, operators) {
  const place = new Map(attributes.map((attribute, k) => [attribute.name, k]));
  let start = 0;
  const starts = attributes.map(({ values }) => (start += values.length) - values.length);
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  // What a run of words says: {attribute: value}, or nothing.
  const readings = new Map();
  function known(text, symbol) {
    const key = words(text).join(" ");
    readings.set(key, [...(readings.get(key) ?? []), symbol]);
  }
  for (const { name, values, noun, phrases } of attributes) {
    values.forEach((value, k) => {
      known(`${name}=${value}`, { [name]: value });
      known(phrases[k], { [name]: value });
      if (!noun && value !== phrases[k] && !["yes", "no"].includes(value)) known(value, { [name]: value });
      // "red hat": the color of the thing and the thing.
      if (noun && place.has(noun)) {
        for (const thing of attributes[place.get(noun)].values) known(`${value} ${thing}`, { [name]: value, [noun]: thing });
      }
    });
  }

  function term(text, symbol) {
    const left = words(text);
    if (!left.length) throw new Error("Nothing is named");
    while (left.length) {
      let size = Math.min(left.length, 6);
      while (size && !readings.has(left.slice(0, size).join(" "))) size -= 1;
      if (!size) throw new Error(`"${left[0]}" is not known`);
      const found = readings.get(left.splice(0, size).join(" "));
      if (found.length > 1) throw new Error(`"${text.trim()}" may mean ${found.map(phrase).join(" or ")}`);
      for (const [name, value] of Object.entries(found[0])) {
        if (name in symbol && symbol[name] !== value) throw new Error(`${name} is both ${symbol[name]} and ${value}`);
        symbol[name] = value;
      }
    }
  }

  // "white wall, red hat" as {attribute: value}.
  function parse(text) {
    const symbol = {};
    for (const part of text.split(",")) term(part, symbol);
    return symbol;
  }

  // "white wall AND red hat" as [symbol, operator, symbol] or [symbol].
  function parseExpression(text) {
    const found = operators.length ? text.split(new RegExp(`\\s(${operators.join("|")})\\s`)) : [text];
    if (found.length > 3) throw new Error("One operator at a time; the sheet of `reverie imagine` takes more");
    return found.length === 1 ? [parse(text)] : [parse(found[0]), found[1], parse(found[2])];
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

  return { attributes, starts, size: start, parse, parseExpression, phrase, encode };
}
