// Planted bugs of the layer 'reactions'.
import { findsAll } from './planted.ts';

findsAll('reactions');
