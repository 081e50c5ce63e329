import { byId, el } from './dom';

/** Who looks at the map, and what they may see. */
export interface Session {
	role: string;
	map: boolean;
	messages: boolean;
	signedIn: boolean;
}

/** Tells the server that a page of its own asks, which a page of another site cannot. */
const HEADERS = { 'Content-Type': 'application/json', 'X-Geocast-Request': '1' };

/** Where the server does not say, everything is tried. */
export async function fetchSession(share: string | null): Promise<Session> {
	const query = share ? `?share=${encodeURIComponent(share)}` : '';
	try {
		const response = await fetch(`/api/session${query}`, { cache: 'no-store' });
		if (response.ok) return (await response.json()) as Session;
		if (response.status === 403) return { role: 'anonymous', map: false, messages: false, signedIn: false };
	} catch {
		// The live map says that there is no connection.
	}
	return { role: 'anonymous', map: true, messages: true, signedIn: false };
}

/** Where there is something to sign in to or out of, the button for it. */
export function showAccount(session: Session, share: string | null): void {
	const button = byId<HTMLButtonElement>('account');
	const mayMore = session.role === 'anonymous' && !share;
	button.hidden = !session.signedIn && !mayMore;
	button.textContent = session.signedIn ? 'Sign out' : 'Sign in';
	button.addEventListener('click', () => void (session.signedIn ? signOut() : askForToken(true)));
}

/** Asks for a token, and begins anew with it. `mayCancel` is false where there is nothing to see without one. */
export function askForToken(mayCancel: boolean, why = ''): void {
	const input = el('input', {
		type: 'password',
		name: 'token',
		'aria-label': 'Token',
		placeholder: 'geocast_…',
		autocomplete: 'current-password',
		required: true,
	});
	const trouble = el('p', { class: 'trouble', role: 'alert' }, why);
	const submit = el('button', { type: 'submit', class: 'primary' }, 'Sign in');
	const form = el(
		'form',
		{},
		el('h2', {}, 'Sign in'),
		el('p', { class: 'note' }, 'With a token, which the operator of this map hands out.'),
		input,
		trouble,
		el(
			'p',
			{ class: 'buttons' },
			mayCancel && el('button', { type: 'button', class: 'link', click: () => dialog.close() }, 'Cancel'),
			submit,
		),
	);
	const dialog = el('dialog', { id: 'sign-in', 'aria-label': 'Sign in' }, form);
	dialog.addEventListener('cancel', (event) => {
		if (!mayCancel) event.preventDefault();
	});
	dialog.addEventListener('close', () => dialog.remove());
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		submit.disabled = true;
		void signIn(input.value).then((wrong) => {
			submit.disabled = false;
			if (wrong) {
				trouble.textContent = wrong;
				input.select();
			} else location.replace(location.pathname + location.hash);
		});
	});
	document.body.append(dialog);
	dialog.showModal();
	input.focus();
}

/** What is wrong, or nothing. */
async function signIn(token: string): Promise<string> {
	try {
		const body = JSON.stringify({ token: token.trim() });
		const response = await fetch('/api/login', { method: 'POST', headers: HEADERS, body });
		if (response.ok) return '';
		const problem = (await response.json().catch(() => ({}))) as { detail?: unknown };
		return typeof problem.detail === 'string' ? problem.detail : `the server answered ${response.status}`;
	} catch {
		return 'the server does not answer';
	}
}

async function signOut(): Promise<void> {
	await fetch('/api/logout', { method: 'POST', headers: HEADERS }).catch(() => null);
	location.reload();
}
