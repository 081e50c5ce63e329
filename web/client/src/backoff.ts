/** The pause before the first attempt to reconnect; each further one doubles it. */
export const FIRST_PAUSE_MS = 1000;
export const LONGEST_PAUSE_MS = 30_000;

/**
 * How long to wait before attempt number `attempt` (counted from 0). Half of each pause is chance, so that the
 * clients of a restarted server do not all return at once.
 */
export function pauseBefore(attempt: number, random: () => number): number {
	const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
	return Math.round(longest / 2 + (longest / 2) * random());
}
