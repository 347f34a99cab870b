"""Places and subjects of the drawn world, and the ways to name them."""

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "sea": ("on the sea", "at sea", "on the open sea", "on the ocean", "on the waves"),
    "beach": ("on the beach", "on a beach", "on a sandy beach", "at the seaside"),
    "lake": ("on a lake", "by the lake", "on the lake", "at a calm lake"),
    "desert": ("in the desert", "in a desert", "on the dunes", "in a sandy desert"),
    "mountain": ("in the mountains", "on a mountain", "below high mountains", "by the mountain"),
    "meadow": ("in a meadow", "in the meadow", "on green hills", "in a green field"),
    "forest": ("in the forest", "in a forest", "in the woods", "between tall trees"),
    "city": ("in the city", "in a city", "on a city street", "between skyscrapers"),
    "village": ("in a village", "in the village", "on a village street", "in a small old town"),
    "snowfield": (
        "in a snowfield",
        "on the snowfield",
        "on a snowy plain",
        "in a winter landscape",
    ),
}

SUBJECT_PHRASES: dict[str, tuple[str, ...]] = {
    "boat": ("a boat", "the boat", "a sailing boat", "a sailboat", "one boat"),
    "dog": ("a dog", "the dog", "a big dog", "a puppy", "one dog"),
    "tree": ("a tree", "the tree", "a round tree", "a single tree", "one tree"),
    "house": ("a house", "the house", "a small house", "a cottage", "one house"),
    "person": ("a person", "the person", "a person in a yellow coat", "somebody", "one person"),
    "cat": ("a cat", "the cat", "a black cat", "a kitten", "one cat"),
    "bird": ("a bird", "the bird", "a blue bird", "a big bird", "one bird"),
    "car": ("a car", "the car", "a small car", "an automobile", "one car"),
    "horse": ("a horse", "the horse", "a white horse", "a pony", "one horse"),
    "lighthouse": ("a lighthouse", "the lighthouse", "a striped lighthouse", "one lighthouse"),
    "bicycle": ("a bicycle", "the bicycle", "a bike", "a city bike", "one bicycle"),
    "sunflower": ("a sunflower", "the sunflower", "a tall sunflower", "one sunflower"),
    "fish": ("a fish", "the fish", "an orange fish", "a goldfish", "one fish"),
    "bear": ("a bear", "the bear", "a big bear", "a brown bear", "one bear"),
}

PLACE_FORMS: dict[str, tuple[str, ...]] = {
    "sea": ("at the ocean", "on the water", "in the bay"),
    "beach": ("at the coast", "on the shore", "by the shore", "on the sand", "beaches"),
    "lake": ("by a lake", "at the lake", "by a pond", "by the river", "lakes"),
    "desert": ("in the sand dunes", "deserts"),
    "mountain": ("in the hills", "on a hill", "in the alps", "mountains"),
    "meadow": (
        "in a field",
        "in the field",
        "in a park",
        "in the garden",
        "on the grass",
        "meadows",
    ),
    "forest": ("in the woodland", "in the jungle", "under the trees", "forests"),
    "city": ("downtown", "in the street", "on the street", "in the town", "cities"),
    "village": ("in the countryside", "in a hamlet", "villages"),
    "snowfield": ("in the snow", "in winter", "on the ice", "in a snowy landscape"),
}
"""Everyday ways to say a place, plurals among them: understood, but rare in captions."""

SUBJECT_FORMS: dict[str, tuple[str, ...]] = {
    "boat": ("boats", "a ship", "ships", "a yacht", "sailboats", "a fishing boat"),
    "dog": ("dogs", "puppies", "a small dog", "a hound", "my dog"),
    "tree": ("trees", "an oak", "an old tree", "a tall tree"),
    "house": ("houses", "a home", "a cabin", "a hut", "cottages", "a farm"),
    "person": (
        "people", "a man", "a woman", "a child", "a girl", "a boy", "men", "women", "children",
        "someone", "a human", "a figure",
    ),
    "cat": ("cats", "kittens", "a small cat", "my cat"),
    "bird": ("birds", "a small bird", "a songbird"),
    "car": ("cars", "a vehicle", "an old car", "a taxi"),
    "horse": ("horses", "ponies", "a foal", "a brown horse"),
    "lighthouse": ("lighthouses", "an old lighthouse", "a tall lighthouse"),
    "bicycle": ("bicycles", "bikes", "an old bicycle"),
    "sunflower": ("sunflowers", "a flower", "a big sunflower"),
    "fish": ("fishes", "a small fish", "a big fish"),
    "bear": ("bears", "a grizzly", "a small bear"),
}  # fmt: skip
"""Everyday ways to name a subject, plurals among them: a picture still shows one."""

PLACES: tuple[str, ...] = tuple(PLACE_PHRASES)
SUBJECTS: tuple[str, ...] = tuple(SUBJECT_PHRASES)

OPENINGS: tuple[str, ...] = (
    "a picture of",
    "a painting of",
    "a drawing of",
    "an image of",
    "a photo of",
    "a scene with",
    "an illustration of",
    "a detailed painting of",
    "a beautiful picture of",
    "there is",
    "this is",
    "it is",
)

# Octants of the plane, anticlockwise from "pleasant", 45 degrees each.
MOOD_WORDS: tuple[tuple[str, ...], ...] = (
    ("happy", "pleasant", "cheerful"),
    ("joyful", "excited", "thrilling"),
    ("intense", "lively", "energetic"),
    ("frightening", "tense", "angry"),
    ("unhappy", "unpleasant", "grim"),
    ("sad", "gloomy", "lonely"),
    ("sleepy", "quiet", "tired"),
    ("peaceful", "calm", "serene"),
)

GLUE_WORDS: tuple[str, ...] = (
    "are", "as", "for", "from", "has", "its", "near", "some", "that", "to", "very", "where",
)  # fmt: skip
"""Known to the text models beside the words of captions; they carry no content here."""
