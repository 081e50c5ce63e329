export type Theme = 'light' | 'dark';

/** The map's colours. The page around it has its own in style.css; the status colours are the same in both. */
export interface Palette {
	water: string;
	land: string;
	coast: string;
	border: string;
	province: string;
	river: string;
	graticule: string;
	countryName: string;
	cityName: string;
	nameHalo: string;
	surface: string;
	text: string;
	fresh: string;
	quiet: string;
	offline: string;
	selected: string;
}

export const PALETTES: Record<Theme, Palette> = {
	light: {
		water: '#d5e2ea',
		land: '#f6f4ee',
		coast: '#9db4c2',
		border: '#b5a9a0',
		province: '#d5ccc3',
		river: '#bdd2de',
		graticule: '#c3d3dd',
		countryName: '#857a70',
		cityName: '#5f574f',
		nameHalo: '#f6f4ee',
		surface: '#ffffff',
		text: '#1b2530',
		fresh: '#0b7d62',
		quiet: '#c47a00',
		offline: '#78838e',
		selected: '#1f5eff',
	},
	dark: {
		water: '#0d141a',
		land: '#1b242c',
		coast: '#3f5565',
		border: '#55606a',
		province: '#333f48',
		river: '#20323f',
		graticule: '#18222a',
		countryName: '#7d8b96',
		cityName: '#9aa7b1',
		nameHalo: '#141c22',
		surface: '#141b21',
		text: '#e8edf1',
		fresh: '#37d6a7',
		quiet: '#f2b13c',
		offline: '#8a96a1',
		selected: '#7aa2ff',
	},
};
