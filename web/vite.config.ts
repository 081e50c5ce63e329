import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Where `npm run dev` finds a running geocast. */
const server = 'http://127.0.0.1:8080';

export default defineConfig({
	build: {
		target: 'es2023',
		// MapLibre is one module of this size; splitting it would only add requests.
		chunkSizeWarningLimit: 1500,
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
	},
	resolve: { alias: { 'geocast-client': fileURLToPath(new URL('client/src/index.ts', import.meta.url)) } },
	server: { proxy: { '/api': { target: server, ws: true } } },
	test: { include: ['test/**/*.test.ts', 'client/test/**/*.test.ts'] },
});
