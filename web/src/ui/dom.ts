type Child = Node | string | null | undefined | false;
type Properties = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;

/**
 * Makes an element. Strings become text, never markup, so that whatever comes from the air can be handed in. A
 * property that is a function listens; the others are attributes, `true` meaning an empty one and `false` none.
 */
export function el<K extends keyof HTMLElementTagNameMap>(
	tag: K,
	properties: Properties = {},
	...children: Child[]
): HTMLElementTagNameMap[K] {
	const element = document.createElement(tag);
	assign(element, properties);
	element.append(...present(children));
	return element;
}

export function svg<K extends keyof SVGElementTagNameMap>(
	tag: K,
	properties: Properties = {},
	...children: Child[]
): SVGElementTagNameMap[K] {
	const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
	assign(element, properties);
	element.append(...present(children));
	return element;
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
	const element = document.getElementById(id);
	if (!element) throw new Error(`the page has no element "${id}"`);
	return element as T;
}

/** A node's mark, in the form and colour that it has on the map. */
export function markOf(status: string): HTMLElement {
	return el('span', { class: 'mark', 'data-status': status, 'aria-hidden': 'true' });
}

function assign(element: Element, properties: Properties): void {
	for (const [name, value] of Object.entries(properties)) {
		if (value === undefined || value === false) continue;
		if (typeof value === 'function') element.addEventListener(name, value);
		else element.setAttribute(name, value === true ? '' : String(value));
	}
}

function present(children: Child[]): (Node | string)[] {
	return children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false);
}
