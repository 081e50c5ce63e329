type Listeners<Events extends Record<keyof Events, unknown[]>> = {
	[Name in keyof Events]?: Set<(...values: Events[Name]) => void>;
};

/** Calls listeners by the name of an event. A listener that throws is reported, and harms nobody else. */
export class Emitter<Events extends Record<keyof Events, unknown[]>> {
	private readonly listeners: Listeners<Events> = {};

	/** Answers with a function that takes the listener off again. */
	on<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): () => void {
		const all = this.listeners[name] ?? new Set();
		this.listeners[name] = all;
		// Wrapped, so that a function that is registered twice is taken off once for each.
		const registered = (...values: Events[Name]) => listener(...values);
		all.add(registered);
		return () => void all.delete(registered);
	}

	emit<Name extends keyof Events>(name: Name, ...values: Events[Name]): void {
		for (const listener of this.listeners[name] ?? []) {
			try {
				listener(...values);
			} catch (error) {
				if (typeof reportError === 'function') reportError(error);
				else console.error(error);
			}
		}
	}
}
