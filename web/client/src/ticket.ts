import { Refused } from './connection.js';

/** How long a ticket may take to come. */
const TICKET_TIMEOUT_MS = 15_000;

/** A ticket for one connection, for whoever holds this token. It is good once, and not for long. */
export async function ticketFor(
	token: string | (() => string | Promise<string>),
	url: string,
	ask: typeof fetch,
): Promise<string> {
	const said = typeof token === 'string' ? token : await token();
	const answer = await ask(url, {
		method: 'POST',
		headers: { Authorization: `Bearer ${said}` },
		credentials: 'omit',
		cache: 'no-store',
		signal: AbortSignal.timeout(TICKET_TIMEOUT_MS),
	});
	if (answer.status === 401 || answer.status === 403) {
		// One that is fetched anew may be valid next time.
		const Kind = typeof token === 'string' ? Refused : Error;
		throw new Kind(`the server does not accept the token (${answer.status})`);
	}
	if (!answer.ok) throw new Error(`the server gave no ticket (${answer.status})`);
	const { ticket } = (await answer.json()) as { ticket?: unknown };
	if (typeof ticket !== 'string') throw new Error('the server gave no ticket');
	return ticket;
}
