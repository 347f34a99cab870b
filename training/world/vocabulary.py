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
