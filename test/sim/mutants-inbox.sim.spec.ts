// Planted bugs of the layer 'inbox'.
import { findsAll } from './planted.ts';

findsAll('inbox');
