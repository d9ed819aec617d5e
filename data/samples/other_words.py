"""Words that other communities coin their jokes, habits and names from; none of The Lantern's own."""

from __future__ import annotations

ADJECTIVES = """
amber ancient angry awkward awful bitter blunt bold borrowed brave bright brittle broken bronze busy
careful cheap chilly clever clumsy common copper cosy cracked crimson crooked cruel curious damp
dapper dizzy double dusty eager early eastern elder electric elegant empty endless faded faithful
fancy fearless fierce final flat foggy folded foreign forgotten formal frosty frozen furious gentle
giant gilded glossy golden grumpy hasty haunted heavy hidden hollow holy honest humble icy idle
ivory jagged jolly joyful lazy legal little lonely loose lost loud loyal lucky marble mellow mighty
minor misty modest muddy narrow nervous noble noisy northern odd old orange painted pale patient
perfect plain pleasant polite private proud purple quick quiet rainy rapid rare rotten rough royal
rude rusty sacred salty sandy scarlet secret serious sharp shiny short shy silent silver simple
single sleepy slippery small smooth sneaky sour southern spare spicy spotted steady steep sticky
stolen stormy strange strict stubborn sunny sweet swift tangled tidy tiny tired top tragic twisted
upper useful velvet violent wandering warm weary western wicked wild wise wobbly wooden worn young
""".split()
NOUNS = """
acorn almanac anchor anvil apron arrow attic badger badge bagel balcony banjo banner barge barrel
basket beacon beaver beetle bell bench bicycle biscuit blanket blender boiler bonnet bottle
brick bridge broom bucket buffalo bugle burger button cabbage cabin cactus calendar camel
canal cannon canoe canvas captain caravan cardigan carpet carrot castle cellar chapel cheese chimney
chisel cider clock cloud clover coat cobbler compass cookie corner cottage couch crab crane crate
cricket crown cupboard curtain cushion cymbal daisy deputy desk diesel dinner donkey doorbell dough
drawer drum duchess duck dumpling eagle elbow engine envelope factory falcon feather fence ferry
fiddle flag flagpole flask flute forge fork fountain fox freezer frog garage garden garlic gate
giraffe glacier glove goblet goose gravel gravy guitar hamlet hammer hammock harbour harp hat
haystack hedge helmet heron hinge hippo hockey honey hood hook horn hotel igloo inkwell iron island
jacket jam jar jelly jigsaw jug juniper kayak kettle kitchen kite knee lake lamb lasagna
lawnmower leaf lemon letter library lizard llama lobster locker lollipop magnet mailbox
mallet mango mantle maple marble market marmot mattress meadow melon mill minute mirror mitten
moat mole monocle moose mop motor mountain mug mustard napkin needle nest newspaper noodle oak oar
oatmeal olive onion orchard otter oven owl paddle paddock pancake panther parcel parade parrot
parsnip pear pebble pelican pencil penguin pepper piano pickle pier pigeon pillow pirate pistol
planet plank plate plough plum pocket poem pond pony porridge postcard potato prune pudding puddle
pulley pumpkin puppet quarry quilt rabbit radio radish raft ratchet raven ribbon ring river robin
rocket rope rowboat rudder ruler saddle salad salmon sandal sandwich sardine saucer sausage scarf
scooter seagull shed shelf shovel shutter sieve sink slipper sloth snail soap sock sofa spade
spanner sparrow spinach sponge spoon squid stapler statue stew stocking stool stork suitcase sundial
swan sword syrup tambourine tea teapot teaspoon tent thimble thistle thunder ticket tiger toast
toaster toffee tractor train tram trolley trombone trout trumpet tuba tulip tunnel turbine turnip
turtle umbrella uncle valley van vase vest violin waffle wagon walrus wardrobe wasp whistle
windmill window wizard wolf yacht yoghurt zebra
""".split()

HABITS = (
    "by the {a} {n}",
    "with extra {n}",
    "full {n}",
    "{n} o'clock",
    "mark it in the {n}",
    "{a} as a {n}",
    "my kingdom for a {n}",
    "straight to the {n}",
    "so says the {n}",
    "{n} behaviour",
    "another day at the {n}",
    "*polishes the {n}*",
    "*hides behind a {n}*",
    "the {a} {n} strikes again",
    "not on my {n}",
    "one {n} at a time",
    "certified {a} moment",
    "that's {n} talk",
    "ask the {a} {n}",
    "peak {n}",
)
"""What a member is known for saying, coined anew for each: {a} an adjective, {n} a noun."""

STARTS = ("by the {n},", "dear {n}s,", "speaking as a {n},", "{a} {n},", "oh {n},", "in my {n},")
ENDS = (", by the {n}", ", with {n}", ", says the {n}", " and {n}", ", {n}s", " ~{n}", ", {a}")
TITLES = ("Old", "Saint", "King", "Queen", "Father", "Mother", "Lord", "Captain", "Blind", "Twin")
