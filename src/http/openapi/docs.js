// Draws openapi.json as a page. Everything in it is shown as text.

/** An element with these children: elements, or text. */
function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** What a reference in the document leads to. */
function follow(root, value) {
  let found = value;
  while (found?.$ref) {
    const steps = found.$ref.replace(/^#\//, "").split("/");
    found = steps.reduce((place, step) => place?.[step], root);
  }
  return found ?? {};
}

/** A schema in a few words. */
function inWords(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices && !schema.type) return choices.map(inWords).join(" | ");
  if (schema.type === "array") return `list of ${inWords(schema.items ?? {})}`;
  const kind = [schema.type ?? "anything"].flat().join(" or ");
  const bounds = [
    schema.minimum === undefined ? "" : `from ${schema.minimum}`,
    schema.maximum === undefined ? "" : `to ${schema.maximum}`,
  ];
  return [kind, ...bounds].filter(Boolean).join(" ");
}

function table(head, rows) {
  const row = (kind, cells) => element("tr", ...cells.map((cell) => element(kind, cell)));
  const body = rows.map((cells) => row("td", cells));
  const made = element("table", element("thead", row("th", head)), element("tbody", ...body));
  const scroll = element("div", made);
  scroll.className = "scroll";
  return scroll;
}

function operation(root, path, method, said) {
  const title = element("summary", element("b", method), " ", element("code", path), " ");
  title.append(element("span", said.summary ?? ""));
  const made = element("details", title);
  made.id = said.operationId;
  const parameters = (said.parameters ?? []).map((one) => follow(root, one));
  if (parameters.length > 0) {
    const rows = parameters.map((one) => [
      element("code", one.name),
      one.in,
      inWords(one.schema ?? {}),
      one.description ?? "",
    ]);
    made.append(element("h4", "Parameters"), table(["name", "in", "type", "meaning"], rows));
  }
  const answers = Object.entries(said.responses).map(([status, answer]) => {
    const whole = follow(root, answer);
    const contents = Object.entries(whole.content ?? {});
    const kinds = contents.map(([kind, content]) => `${kind}: ${inWords(content.schema ?? {})}`);
    return [status, whole.description ?? "", kinds.join("\n")];
  });
  made.append(element("h4", "Answers"), table(["status", "meaning", "content"], answers));
  return made;
}

function schema(name, said) {
  const made = element("details", element("summary", element("code", name)));
  const fields = Object.entries(said.properties ?? {});
  if (said.description) made.append(element("p", said.description));
  if (fields.length > 0) {
    const required = new Set(said.required ?? []);
    const rows = fields.map(([field, one]) => [
      element("code", required.has(field) ? field : `${field}?`),
      inWords(one),
      one.description ?? "",
    ]);
    made.append(table(["field", "type", "meaning"], rows));
  } else {
    made.append(element("pre", JSON.stringify(said, null, 2)));
  }
  return made;
}

function draw(root) {
  document.getElementById("version").textContent = root.info.version;
  document.getElementById("description").textContent = root.info.description;
  const contents = document.getElementById("contents");
  const main = document.getElementById("operations");
  main.replaceChildren();
  const section = (name, heading, note, children) => {
    const title = element("h2", heading);
    title.id = name;
    const about = element("p", note);
    about.className = "note";
    main.append(title, about, ...children);
    const link = element("a", heading);
    link.href = `#${name}`;
    contents.append(link);
  };
  for (const tag of root.tags) {
    const own = Object.entries(root.paths).flatMap(([path, item]) =>
      Object.entries(item)
        .filter(([, said]) => said.tags?.includes(tag.name))
        .map(([method, said]) => operation(root, path, method, said)),
    );
    section(`tag-${tag.name}`, tag.name, tag.description, own);
  }
  const schemas = Object.entries(root.components.schemas);
  const shown = schemas.map(([name, said]) => schema(name, said));
  section("schemas", "schemas", "What answers are made of", shown);
}

async function load() {
  const main = document.getElementById("operations");
  try {
    const answer = await fetch("openapi.json");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    draw(await answer.json());
  } catch (error) {
    main.textContent = `The document cannot be shown: ${error.message}`;
  }
}

load();
